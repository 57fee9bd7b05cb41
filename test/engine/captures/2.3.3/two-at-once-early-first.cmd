JAVA_OPTS=-Xmx256m neo4j-backup -host=127.0.0.1 -port=6363 -to=/w/two-at-once-early/graph.db -verify=true
