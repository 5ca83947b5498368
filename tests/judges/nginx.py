"""This SDK through nginx, as a reverse proxy of the embedded provider, which counts the connections."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from llmsdk import SDK
from llmsdk.local import LocalServer

from .checks import ANSWER, KEY, Checks, free_port, program, serving
from .sdk_checks import STREAMS, one_connection, plain, streamed

CONFIG = """\
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  log_format connection '$connection $status'; access_log {folder}/access.log connection;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {origin}; proxy_buffering off; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


def judge(checks: Checks) -> str:
    command, port = program("nginx", "nginx-light"), free_port()
    with tempfile.TemporaryDirectory() as folder, LocalServer("openai") as server:
        config, log = Path(folder, "nginx.conf"), Path(folder, "access.log")
        config.write_text(CONFIG.format(folder=folder, port=port, origin=server.origin), encoding="utf-8")
        with serving([command, "-p", folder, "-e", f"{folder}/error.log", "-c", str(config)], port):
            with SDK(server_url=f"http://127.0.0.1:{port}/v1", api_key=KEY) as sdk:
                # One after the other at once: nginx sends the end of the body on its own, a moment after the sentinel.
                for at in range(STREAMS):
                    checks.run(f"stream {at}", lambda: ANSWER in streamed(sdk, "m"))
                lines = log.read_text(encoding="utf-8").splitlines()
                used = {line.split()[0] for line in lines}
                checks.that(f"{STREAMS} streams over one connection", len(used) == 1 and len(lines) == STREAMS, lines)
                plain(checks, sdk, "m", ANSWER)
            one_connection(checks, f"http://127.0.0.1:{port}/v1", KEY, "m")
            server.close()  # nginx answers for it: a page of HTML
            with SDK(server_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, retry_config=None) as sdk:
                checks.raises("502 as HTML", 502, lambda: sdk.models.list())
    said = subprocess.run([command, "-v"], capture_output=True, text=True, check=False, timeout=10).stderr
    return "".join(re.findall(r"nginx/(\S+)", said))
