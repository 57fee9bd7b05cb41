NEO4J_DEBUG=1 HEAP_SIZE=256m neo4j-admin backup --backup-dir=/w/single --name=graph.db --from=127.0.0.1:6366 --check-consistency=true --cc-report-dir=/w/reports
