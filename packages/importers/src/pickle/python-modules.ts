/**
 * Top-level modules that come with Python (2 and 3, all platforms) or install and run code for it. They hold functions
 * that act on the machine, so nothing of them is named in a checkpoint unless it is on the list of harmless names.
 * Taken from `sys.stdlib_module_names`, with the names of Python 2 and the private modules that pickles can reach.
 */
export const pythonModules: ReadonlySet<string> = new Set(
  `
  __builtin__ __future__ __main__ _aix_support _bootsubprocess _codecs _collections _compat_pickle _ctypes _frozen_importlib _frozen_importlib_external _functools _imp
  _io _operator _osx_support _pickle _posixsubprocess _pyio _sitebuiltins _socket _thread _winapi _winreg abc aifc antigravity argparse array ast asynchat asyncio
  asyncore atexit audioop base64 BaseHTTPServer bdb binascii bisect builtins bz2 calendar ce cgi cgitb chunk cmath cmd code codecs codeop collections colorsys commands
  compileall concurrent configparser contextlib contextvars copy copy_reg copyreg cPickle cProfile crypt cStringIO csv ctypes curses dataclasses datetime dbm decimal
  difflib dis distutils doctest dummy_thread email encodings ensurepip enum errno exceptions faulthandler fcntl filecmp fileinput fnmatch fractions ftplib functools gc
  genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http httplib idlelib imaplib imghdr imp importlib inspect io ipaddress IPython
  itertools java jpype json keyword lib2to3 linecache locale logging lzma mailbox mailcap marshal math mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc
  new nis nntplib nt ntpath nturl2path numbers opcode operator optparse os os2 ossaudiodev pathlib pdb pickle pickletools pip pipes pkg_resources pkgutil platform
  plistlib popen2 poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat Queue queue quopri random re readline reprlib
  resource riscos rlcompleter runpy sched secrets select selectors sets setuptools shelve shlex shutil signal site smtpd smtplib sndhdr socket SocketServer
  socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string StringIO stringprep struct subprocess sunau symtable sys sysconfig syslog
  tabnanny tarfile telnetlib tempfile termios test textwrap this thread threading time timeit tkinter token tokenize tomllib trace traceback tracemalloc tty turtle
  turtledemo types typing unicodedata unittest urllib urllib2 urlparse UserDict UserList UserString uu uuid venv warnings wave weakref webbrowser winreg winsound
  wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib zoneinfo
  `
    .trim()
    .split(/\s+/),
);
