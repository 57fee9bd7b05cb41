NEO4J_DEBUG=1 HEAP_SIZE=256m neo4j-admin backup --backup-dir=/w/tls-unknown --name=graph.db --from=no-such-host.invalid:6362 --check-consistency=true --cc-report-dir=/w/reports --protocol=catchup
