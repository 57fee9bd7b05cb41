JAVA_OPTS=-Xmx256m neo4j-backup -host=127.0.0.1 -port=6365 -to=/w/silent-timeout/graph.db -verify=true -timeout=5s
