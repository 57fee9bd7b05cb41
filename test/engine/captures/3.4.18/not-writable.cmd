setpriv --bounding-set=-dac_override,-dac_read_search NEO4J_DEBUG=1 HEAP_SIZE=256m neo4j-admin backup --backup-dir=/w/closed --name=graph.db --from=127.0.0.1:6362 --cc-report-dir=/w/reports
