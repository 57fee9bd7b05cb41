JAVA_OPTS=-Xmx16m neo4j-backup -host=127.0.0.1 -port=6362 -to=/w/heap-16m/graph.db -verify=true
