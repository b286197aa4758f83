# Takes work until it is told to stop.
while redis-cli -h "$QUEUE" blpop work 0; do :; done
