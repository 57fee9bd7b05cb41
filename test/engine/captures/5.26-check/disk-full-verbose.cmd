neo4j-admin database check --report-path=/w/reports --verbose --from-path=/w/dump --temp-path=/w/full neo4j
