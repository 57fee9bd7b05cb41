JAVA_OPTS=-Xmx256m neo4j-backup -host=no-such-host.invalid -port=6362 -to=/w/unknown/graph.db -verify=true
