"""A proxy of one Blob service that loses answers: the request is done, the caller never hears of it."""

import http.client
import http.server
import threading


class Losing:
    """Cuts the connection instead of answering every `every`-th create (`If-None-Match: *`)."""

    def __init__(self, upstream, every):
        # `upstream` is host and port.
        self.upstream, self.every = upstream, every
        self.creates = self.lost = 0
        self.lock = threading.Lock()

    def __enter__(self):
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def relay(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
                # Nothing may be added on the way: the headers are signed.
                upstream = http.client.HTTPConnection(proxy.upstream, timeout=60)
                upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in headers.items():
                    upstream.putheader(name, value)
                upstream.endheaders(body)
                answer = upstream.getresponse()
                content = answer.read()
                upstream.close()
                if proxy.loses(self.headers):
                    self.close_connection = True
                    return
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length", "keep-alive"):
                        self.send_header(name, value)
                length = answer.headers.get("Content-Length") if self.command == "HEAD" else len(content)
                self.send_header("Content-Length", length or 0)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = relay

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def loses(self, headers):
        if headers.get("If-None-Match") != "*":
            return False
        with self.lock:
            self.creates += 1
            is_lost = self.creates % self.every == 0
            self.lost += is_lost
            return is_lost
