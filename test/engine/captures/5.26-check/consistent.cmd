neo4j-admin database check --report-path=/w/reports --from-path-data=/w/home/data/databases --from-path-txn=/w/home/data/transactions neo4j
