exec httpd -f -h /
