neo4j-admin database check --report-path=/w/reports --frobnicate neo4j
