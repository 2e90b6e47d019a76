FROM busybox
RUN echo x > /x; ls -A / > /ls
