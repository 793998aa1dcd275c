"""Parses commands with the Azure CLI itself and runs none: the Python of its own environment, commands as JSON on stdin.

It loads the table of commands and their arguments as `az` does (AzCliCommandInvoker.execute), hands the words to its parser and
stops there. Prints for each command `null`, or what is wrong with it.
"""

import contextlib
import io
import json
import os
import sys
import tempfile

os.environ |= {"AZURE_CONFIG_DIR": tempfile.mkdtemp(), "AZURE_CORE_COLLECT_TELEMETRY": "false", "AZURE_EXTENSION_USE_DYNAMIC_INSTALL": "no"}

from azure.cli.core import get_default_cli  # noqa: E402

CLI = get_default_cli()


def problem(words):
    invocation = CLI.invocation_cls(cli_ctx=CLI, parser_cls=CLI.parser_cls, commands_loader_cls=CLI.commands_loader_cls, help_cls=CLI.help_cls)
    CLI.invocation, loader = invocation, invocation.commands_loader
    loader.load_command_table(words)
    command = invocation._rudimentary_get_command(words)
    if command not in loader.command_table:
        return f"`az {' '.join(words[:6])}` is no command of the core: an extension's, or none"
    loader.command_table = {command: loader.command_table[command]}
    loader.command_name = invocation.data["command_string"] = command
    loader.load_arguments(command)
    invocation.parser.cli_ctx = CLI
    invocation.parser.load_command_table(loader)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            invocation.parser.parse_args(words)
    except SystemExit:
        return said.getvalue().strip().splitlines()[0] if said.getvalue().strip() else "it is refused"
    return None


print(json.dumps([problem(words) for words in json.load(sys.stdin)]))
