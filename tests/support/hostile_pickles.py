"""Pickles that ask for code to be run, in the ways that `test_convert_hostile.py` does not, and containers for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from checkpoint_files import write_pth
from pickles import Raw, a_dict, call, data, name, plain, stream, tensor, text

from convert.checkpoints.containers import TORCH_LEGACY

# What runs, loads, writes, connects, or leads to what does: none may be so much as imported.
_NAMES = """
os.execv os.fork os.posix_spawn os.remove os.spawnl os.open os.putenv posix.system posix.execve
_posixsubprocess.fork_exec
builtins.breakpoint builtins.delattr builtins.filter builtins.getattr builtins.globals builtins.input builtins.map
builtins.object builtins.setattr builtins.type builtins.vars builtins.memoryview builtins.str builtins.list builtins.set
__builtin__.execfile __builtin__.file __builtin__.reload
importlib.__import__ importlib.reload importlib.util.module_from_spec importlib.machinery.SourceFileLoader
importlib._bootstrap._call_with_frames_removed zipimport.zipimporter pkgutil.resolve_name site.addsitedir
operator.itemgetter operator.call operator.setitem functools.reduce functools.partial functools.partialmethod
itertools.starmap _operator.attrgetter types.CodeType types.MethodType types.SimpleNamespace
sys.settrace sys.setprofile sys.exit signal.signal atexit.register threading.Thread multiprocessing.Process
multiprocessing.util.spawnv_passfds concurrent.futures.ProcessPoolExecutor asyncio.create_subprocess_shell
subprocess.Popen subprocess.check_output subprocess.run pty.spawn platform.popen commands.getoutput
timeit.timeit cProfile.run profile.run pdb.run bdb.Bdb.run trace.Trace doctest.debug_script code.InteractiveConsole.push
marshal.loads shelve.open dbm.open pickle.Unpickler dill.loads cloudpickle.loads joblib.load pandas.read_pickle
socket.socket urllib.request.urlopen urllib.request.urlretrieve http.client.HTTPConnection webbrowser.open ftplib.FTP
smtplib.SMTP xmlrpc.client.ServerProxy ssl.get_server_certificate logging.FileHandler tarfile.open zipfile.ZipFile
sqlite3.connect tempfile.mkdtemp pathlib.Path.write_text pathlib.PosixPath shutil.move fileinput.FileInput
ctypes.cast ctypes.string_at ctypes.CDLL mmap.mmap gc.get_objects inspect.getattr_static linecache.getlines
ensurepip.bootstrap pip._internal.main venv.create setuptools.setup distutils.file_util.write_file lib2to3.pgen2.grammar
numpy.load numpy.memmap numpy.lib.npyio.DataSource numpy.ctypeslib.load_library numpy.f2py.compile numpy.frombuffer
numpy.distutils.exec_command.exec_command numpy.core._multiarray_umath.frombuffer numpy.random._pickle.__generator_ctor
numpy.matrix numpy.recarray numpy.dtype.__class__ numpy.core.multiarray.scalar.__class__ numpy._core.multiarray.fromfile
torch.load torch.hub.load torch.jit.load torch.package.PackageImporter torch.ops.load_library torch.classes.load_library
torch.utils.cpp_extension.load torch.serialization.load torch.storage.UntypedStorage torch.Tensor torch._C._from_blob
torch.nn.Linear torch.compile torch._utils._rebuild_sparse_tensor torch._tensor._rebuild_from_type_v2
torch._dynamo.guards.GuardBuilder.get torch.FloatStorage.from_file torch._utils._rebuild_tensor_v2.__globals__
paddle.load paddle.jit.load paddle.hub.load paddle.framework.io.load paddle.utils.cpp_extension.load paddle.to_tensor
paddle.base.core.eager.Tensor paddle.incubate.xpu.resnet_block paddle.static.load_program_state
collections.namedtuple collections.OrderedDict.__init__ argparse.Namespace.__setattr__ argparse.FileType
yaml.unsafe_load
transformers.AutoModel.from_pretrained timm.create_model pydoc.pipepager antigravity.webbrowser
"""
NAMES = _NAMES.split()

MODULES_OF_TWO = {"numpy.dtype.__class__": "numpy", "numpy.core.multiarray.scalar.__class__": "numpy.core.multiarray"}

MARKER = "hostile.marker"

SYSTEM = name("os", "system", 2)
NDARRAY, DTYPE = name("numpy", "ndarray", 2), name("numpy", "dtype", 2)
NAMESPACE = name("argparse", "Namespace", 2)
HOOKED = call(name("torch._utils", "_rebuild_tensor_v2", 2), None, 0, (), (), False, Raw(SYSTEM + b")R"))
NUMPY_ARRAY = call(name("numpy.core.multiarray", "_reconstruct", 2), NDARRAY, (0,), b"b")
BYTES_OF_A_PICKLE = b"cos\nsystem\n(Vtouch hostile.marker\ntR."

RUN = "the file names os.system, which no state dict needs; it was not run"


def unknown(opcode: int) -> str:
    return f"opcode 0x{opcode:02x} has no place in a state dict"


# The body of the pickle, the opcode that is refused, and why. The calls would make MARKER where they run.
SHAPES: dict[str, tuple[bytes, int, str]] = {
    "INST": (b"(" + text("touch hostile.marker") + b"ios\nsystem\n", ord("i"), unknown(ord("i"))),
    "INST of an allowed name": (b"(inumpy\nndarray\n", ord("i"), unknown(ord("i"))),
    "OBJ": (b"(" + SYSTEM + text("touch hostile.marker") + b"o", ord("c"), RUN),
    "OBJ of an allowed name": (b"(" + NDARRAY + b"o", ord("o"), unknown(ord("o"))),
    "NEWOBJ": (SYSTEM + b"(" + text("touch hostile.marker") + b"t\x81", ord("c"), RUN),
    "NEWOBJ of an allowed name": (NDARRAY + b")\x81", 0x81, "a call of numpy.ndarray, which no state dict calls"),
    "NEWOBJ_EX": (DTYPE + b")}\x92", 0x92, unknown(0x92)),
    "EXT1": (b"\x82\x01", 0x82, unknown(0x82)),
    "EXT2": (b"\x83\x01\x00", 0x83, unknown(0x83)),
    "EXT4": (b"\x84\x01\x00\x00\x00", 0x84, unknown(0x84)),
    "PERSID": (b"Pos.system\n", ord("P"), unknown(ord("P"))),
    "protocol 0": (b"cos\nsystem\n(S'touch hostile.marker'\ntR", ord("c"), RUN),
    "DUP of a call": (b"N2", ord("2"), unknown(ord("2"))),
    "a call whose result is thrown away": (call(SYSTEM, "touch hostile.marker") + b"0N", ord("c"), RUN),
    "BUILD of a text": (text("x") + a_dict({"__class__": "os"}) + b"b", ord("b"), "a state for a str"),
    "a global with dots": (
        name("collections", "OrderedDict.__init__.__globals__.get", 2),
        ord("c"),
        "the file names collections.OrderedDict.__init__.__globals__.get, which no state dict needs; it was not run",
    ),
    "a global of the whole path": (
        name("", "os.system", 2),
        ord("c"),
        "the file names .os.system, which no state dict needs; it was not run",
    ),
    "a global of letters that look alike": (
        name("\u043es", "system", 2),
        ord("c"),
        "the file names \u043es.system, which no state dict needs; it was not run",
    ),
    "a global that would steer a terminal": (
        name("os\x1b[2J", "system", 2),
        ord("c"),
        "the file names os\\x1b[2J.system, which no state dict needs; it was not run",
    ),
    "STACK_GLOBAL from the memo": (
        b"(" + text("os") + b"\x94" + text("system") + b"\x94" + b"h\x00h\x01\x93",
        0x93,
        RUN,
    ),
    "STACK_GLOBAL of long texts": (b"\x8d\x02" + bytes(7) + b"os\x8d\x06" + bytes(7) + b"system\x93", 0x93, RUN),
    "STACK_GLOBAL of short texts": (b"\x8c\x02os\x8c\x06system\x93", 0x93, RUN),
    "a nested pickle": (
        call(name("pickle", "loads", 2), BYTES_OF_A_PICKLE),
        ord("c"),
        "the file names pickle.loads, which no state dict needs; it was not run",
    ),
    "a nested pickle in an array of bytes": (
        call(name("_pickle", "loads", 2), data(BYTES_OF_A_PICKLE)),
        ord("c"),
        "the file names _pickle.loads, which no state dict needs; it was not run",
    ),
    "an array of objects": (
        Raw(NUMPY_ARRAY + plain((1, (1,), call(DTYPE, "O8", False, True), False, Raw(b"]")))) + b"b",
        ord("R"),
        "numpy.dtype with arguments that it does not take: a dtype that is no plain number",
    ),
    "an array whose objects are calls": (
        Raw(NUMPY_ARRAY + plain((1, (1,), Raw(b"N"), False, Raw(b"](" + call(SYSTEM, "touch hostile.marker") + b"e"))))
        + b"b",
        ord("c"),
        RUN,
    ),
    "a key": (b"}" + call(SYSTEM, "touch hostile.marker") + b"Ns", ord("c"), RUN),
    "an argument of an allowed call": (call(DTYPE, call(SYSTEM, "touch hostile.marker")), ord("c"), RUN),
    "the table of names": (
        a_dict({"StructuredToParameterName@@": a_dict({"w": call(SYSTEM, "touch hostile.marker")})}),
        ord("c"),
        RUN,
    ),
    "the optimizer": (a_dict({"optimizer": call(SYSTEM, "touch hostile.marker"), "model": Raw(b"}")}), ord("c"), RUN),
    "a call of a call": (
        call(Raw(call(name("builtins", "getattr", 2), SYSTEM, "__call__")), "x"),
        ord("c"),
        "the file names builtins.getattr, which no state dict needs; it was not run",
    ),
}

# Those that only PyTorch's files can have.
TORCH_SHAPES: dict[str, tuple[bytes, int, str]] = {
    "BUILD with __setstate__": (
        NAMESPACE + b")R" + a_dict({"__setstate__": SYSTEM}) + b"b" + text("touch hostile.marker") + b"b",
        ord("c"),
        RUN,
    ),
    "a hook of a tensor": (HOOKED, ord("c"), RUN),
    "the metadata of an ordered dict": (
        call(name("collections", "OrderedDict", 2))
        + a_dict({"_metadata": call(SYSTEM, "touch hostile.marker")})
        + b"b",
        ord("c"),
        RUN,
    ),
    "the type of a storage": (Raw(plain(("storage", SYSTEM, "0", "cpu", 4)) + b"Q"), ord("c"), RUN),
    "a persistent id of a module": (
        Raw(plain(("module", NAMESPACE, "x.py", "import os")) + b"Q"),
        ord("Q"),
        "a persistent id that names no storage: no ('storage', type, key, location, numel)",
    ),
    "the values of a Namespace": (
        NAMESPACE + b")R" + a_dict({"output_dir": call(SYSTEM, "touch hostile.marker")}) + b"b",
        ord("c"),
        RUN,
    ),
}

# Those that are read in another way where objects may stand beside the weights, among which they stand here.
IN_TORCH: dict[str, tuple[int, str]] = {
    "INST": (ord("i"), RUN),
    "INST of an allowed name": (ord("i"), "the file names numpy.ndarray, which no state dict needs; it was not run"),
    "OBJ of an allowed name": (ord("o"), "the file names numpy.ndarray, which no state dict needs; it was not run"),
    "NEWOBJ_EX": (0x92, "the file names numpy.dtype, which no state dict needs; it was not run"),
    "an array of objects": (
        ord("b"),
        "an object with a state that it does not take: an array of objects instead of numbers",
    ),
}

ONE_TENSOR = a_dict({"w": tensor((4,), (1,), legacy=True)})
PARTS = (
    stream(plain(1001), 2),
    stream(a_dict({"little_endian": True}), 2),
    stream(ONE_TENSOR, 2),
    stream(b"](X\1\0\0\x000e", 2),
)


def legacy(**parts: bytes) -> bytes:
    """A legacy file of torch.save, with other pickles in place of its `version`, `system`, `content` or `keys`."""
    names = ("version", "system", "content", "keys")
    pickles = [parts.get(name, good) for name, good in zip(names, PARTS, strict=True)]
    if text("storage") not in pickles[2]:
        return TORCH_LEGACY.magic + b"".join(pickles[:3]) + stream(b"]", 2)
    return TORCH_LEGACY.magic + b"".join(pickles) + b"\4" + bytes(23)


def module_and_attribute(full: str) -> tuple[str, str]:
    module = MODULES_OF_TWO.get(full) or full.rpartition(".")[0]
    return module, full.removeprefix(f"{module}.")


def write_zip_of(path: Path, pickle: bytes) -> None:
    write_pth(path, pickle, {"0": bytes(16)})


def write_legacy(path: Path, pickle: bytes) -> None:
    path.write_bytes(legacy(content=pickle))


CONTAINERS: Mapping[str, Callable[[Path, bytes], object]] = {
    "zip": write_zip_of,
    "legacy": write_legacy,
    "pdparams": Path.write_bytes,
}


def start_of_pickle(container: str) -> int:
    """Where in the file that messages count in the pickle begins."""
    return len(TORCH_LEGACY.magic) + len(PARTS[0]) + len(PARTS[1]) if container == "legacy" else 0
