neo4j-admin database check --report-path=/w/reports --from-path-data=/w/killed/data/databases --from-path-txn=/w/killed/data/transactions neo4j
