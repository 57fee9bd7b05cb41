JAVA_OPTS=-Xmx24m neo4j-backup -host=127.0.0.1 -port=6362 -to=/w/heap-24m/graph.db -verify=true
