"""Runs a Pulumi program against a monitor and an engine, as Pulumi's own Python language host does."""

import argparse
import asyncio
import logging
import os
import runpy
import sys
import traceback

import pulumi
import pulumi.runtime


def _run(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


def main() -> int:
    """Run the program that the arguments name; its config comes by PULUMI_CONFIG, as from Pulumi."""
    parser = argparse.ArgumentParser()
    for name in ("project", "stack", "monitor", "engine", "folder", "root", "main"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--dry-run", action="store_true")
    arguments = parser.parse_args()

    pulumi.runtime.set_all_config(
        pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env()
    )
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=arguments.project,
            stack=arguments.stack,
            monitor=arguments.monitor,
            engine=arguments.engine,
            parallel=arguments.parallel,
            dry_run=arguments.dry_run,
            root_directory=arguments.root,
        )
    )
    sys.argv = [arguments.main]
    os.chdir(arguments.folder)
    # A failed resource leaves futures that nobody awaits; the host does not show asyncio's complaints either.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run(arguments.main)))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    except Exception:  # noqa: BLE001 - the program's own, whatever it is
        pulumi.log.error(traceback.format_exc())
        return 1
    finally:
        loop.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
