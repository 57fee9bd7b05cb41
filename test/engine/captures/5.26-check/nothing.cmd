neo4j-admin database check --report-path=/w/reports --from-path=/w/nothing --temp-path=/w/temp neo4j
