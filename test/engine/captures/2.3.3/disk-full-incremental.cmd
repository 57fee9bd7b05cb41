JAVA_OPTS=-Xmx256m neo4j-backup -host=127.0.0.1 -port=6362 -to=/w/tight/graph.db -verify=true
