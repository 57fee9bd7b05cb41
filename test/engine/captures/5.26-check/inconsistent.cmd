neo4j-admin database check --report-path=/w/reports --from-path-data=/w/inconsistent/data/databases --from-path-txn=/w/inconsistent/data/transactions neo4j
