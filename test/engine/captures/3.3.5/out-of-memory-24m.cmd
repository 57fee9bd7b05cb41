NEO4J_DEBUG=1 HEAP_SIZE=24m neo4j-admin backup --backup-dir=/w/heap-24m --name=graph.db --from=127.0.0.1:6362 --check-consistency=true --cc-report-dir=/w/reports
