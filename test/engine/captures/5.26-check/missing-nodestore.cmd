neo4j-admin database check --report-path=/w/reports --from-path-data=/w/missing/data/databases --from-path-txn=/w/missing/data/transactions neo4j
