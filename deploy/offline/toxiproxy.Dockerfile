FROM scratch
COPY server /toxiproxy
COPY cli /toxiproxy-cli
ENV LOG_LEVEL=info
EXPOSE 8474
ENTRYPOINT ["/toxiproxy"]
CMD ["-host=0.0.0.0"]
