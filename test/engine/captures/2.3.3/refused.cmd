JAVA_OPTS=-Xmx256m neo4j-backup -host=127.0.0.1 -port=6399 -to=/w/refused/graph.db -verify=true
