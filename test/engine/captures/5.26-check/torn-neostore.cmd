neo4j-admin database check --report-path=/w/reports --from-path-data=/w/torn/data/databases --from-path-txn=/w/torn/data/transactions neo4j
