import sys

from verify.program.commands import verify

if __name__ == "__main__":
    sys.exit(verify())
