neo4j-admin database check --report-path=/w/reports --from-path=/w/dump --temp-path=/w/temp orders
