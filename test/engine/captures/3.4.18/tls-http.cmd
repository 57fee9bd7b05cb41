NEO4J_DEBUG=1 HEAP_SIZE=256m neo4j-admin backup --backup-dir=/w/tls-http --name=graph.db --from=127.0.0.1:6364 --check-consistency=true --cc-report-dir=/w/reports --protocol=catchup
