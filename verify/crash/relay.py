"""A network that can be cut: sockets in front of the stand-ins that pass everything on, or nothing."""

import re
import select
import socket
import threading

URL = re.compile(r"http://127\.0\.0\.1:(\d+)")
PIECE = 65536


class Relay:
    """Stands between a feed and its stand-ins until the block ends."""

    def __init__(self):
        self.ports, self.listeners, self.connections = {}, [], []
        self.flowing, self.over = threading.Event(), False
        self.flowing.set()
        self.lock = threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over = True
        self.cut("refused")
        self.flowing.set()

    def before(self, settings):
        """Listens before every address of these settings; the settings that lead through here."""

        def through(match):
            port = int(match[1])
            if port not in self.ports:
                self.ports[port] = self.listen(port, 0)
            return f"http://127.0.0.1:{self.ports[port]}"

        return {name: URL.sub(through, value) for name, value in settings.items()}

    def listen(self, target, port):
        listener = socket.create_server(("127.0.0.1", port))
        self.listeners.append(listener)
        threading.Thread(target=self.accept, args=(listener, target), daemon=True).start()
        return listener.getsockname()[1]

    def accept(self, listener, target):
        while True:
            try:
                near = listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", target))
            except OSError:
                return
            with self.lock:
                self.connections += [near, far]
            threading.Thread(target=self.carry, args=(near, far), daemon=True).start()

    def carry(self, near, far):
        other = {near: far, far: near}
        try:
            while True:
                for ready in select.select([near, far], [], [])[0]:
                    self.flowing.wait()
                    piece = ready.recv(PIECE)
                    if not piece:
                        return
                    other[ready].sendall(piece)
        except (OSError, ValueError):
            pass
        finally:
            near.close()
            far.close()

    def cut(self, how):
        """`refused`: no connection is taken and all are reset. `silent`: all are taken and nothing is passed on."""
        if how == "silent":
            self.flowing.clear()
            return
        for listener in self.listeners:
            # A thread that waits in accept keeps the socket open until it is shut down.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.listeners = []
        with self.lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.connections = []

    def mend(self):
        self.flowing.set()
        if not self.listeners:
            for target, port in self.ports.items():
                self.listen(target, port)
