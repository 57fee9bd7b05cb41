neo4j-admin database check --report-path=/w/reports --from-path=/w/dump-cut --temp-path=/w/temp neo4j
