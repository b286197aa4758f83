FROM orchestrate-test/busybox:1
COPY tool/tool.sh /bin/tool
ENTRYPOINT ["sh", "/bin/tool"]
