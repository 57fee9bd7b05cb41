JAVA_OPTS=-Xmx256m neo4j-backup -host=127.0.0.1 -port=6363 -to=/w/busy/graph.db -verify=true
