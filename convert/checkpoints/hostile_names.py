"""Globals that no honest object has: a file that names one is refused, wherever the name stands in it.

Nothing that a file names is called here, so this guards nobody who reads a file with this package. Whoever else opens
the file may run it, and is warned.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A module, and whatever lies below it.
MODULES = _words(
    """
    os posix nt ntpath posixpath sys subprocess _posixsubprocess pty commands popen2 platform
    importlib imp _imp zipimport pkgutil runpy site ensurepip pip venv setuptools distutils _distutils_hack
    pickle _pickle cPickle dill cloudpickle joblib marshal shelve dbm operator _operator
    code codeop pdb bdb cProfile profile trace timeit doctest pydoc lib2to3
    ctypes _ctypes cffi mmap gc inspect linecache atexit signal faulthandler
    socket _socket ssl _ssl urllib http ftplib smtplib xmlrpc webbrowser antigravity requests
    shutil tempfile fileinput tarfile zipfile sqlite3
    threading _thread multiprocessing concurrent asyncio
    numpy.testing numpy.f2py numpy.distutils numpy.ctypeslib numpy.lib
    torch.hub torch.jit torch.package torch.ops torch.classes torch.utils.cpp_extension torch._dynamo
    """
)

# Modules of which only these names are harmless: types, which say what kind of value something is, and errors.
HARMLESS = {
    "builtins": _words(
        """
        bool bytearray bytes complex dict float frozenset int list long object range set slice str tuple type unicode
        xrange Ellipsis NotImplemented abs len max min print round sorted sum
        """
    ),
    "types": frozenset(("SimpleNamespace", "MappingProxyType", "GenericAlias", "UnionType", "NoneType")),
    "io": frozenset(("BytesIO", "StringIO")),
    "codecs": frozenset(("encode",)),
}
MAIN = ("__main__", "__mp_main__")  # the author's own script
SAME = {"__builtin__": "builtins", "__builtins__": "builtins", "_io": "io", "_codecs": "codecs"}

# Functions, and methods, by which whatever module runs, loads or writes something.
FUNCTIONS = _words(
    """
    __import__ _load_from_bytes apply attrgetter call check_call check_output compile delattr eval exec execfile execv
    fork from_pretrained fromfile getattr getoutput import_module load load_library load_module loads memmap
    methodcaller open popen read_pickle reload rmtree run run_path runstring setattr spawn system tofile unlink
    unsafe_load write_bytes write_text
    """
)


def is_hostile(module: str, name: str) -> bool:
    """Whether an honest object never is, or is made by, the global of that name."""
    module = SAME.get(module, module)
    packages = module.split(".")
    if any(".".join(packages[:length]) in MODULES for length in (1, 2, 3)):
        return True
    if module in HARMLESS:
        return name not in HARMLESS[module] and not name.endswith(("Error", "Exception", "Warning"))
    parts = [*packages, *name.split(".")]
    is_special = any(part.startswith("__") and part.endswith("__") and part not in MAIN for part in parts)
    return is_special or not all(parts) or not "".join(parts).isprintable() or parts[-1] in FUNCTIONS
