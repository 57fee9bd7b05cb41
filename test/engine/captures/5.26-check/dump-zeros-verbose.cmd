neo4j-admin database check --report-path=/w/reports --verbose --from-path=/w/dump-zeros --temp-path=/w/temp neo4j
