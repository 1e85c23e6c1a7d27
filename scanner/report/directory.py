"""The run directory: files that are private and either complete or absent."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from scanner.errors import OutputError

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_HINT = "choose another folder with --output, or change its owner or permissions"


class RunDirectory:
    """A folder of one run, 0700, with files 0600.

    INVARIANT: a name in the folder is a complete file: content goes to a temporary file beside it, which is renamed
    when it is whole. Symbolic links are replaced, never followed. Every OSError becomes an OutputError that names the
    path.
    """

    def __init__(self, path: Path) -> None:
        """Open an existing run directory. Raises OutputError when it is missing, a link or no folder."""
        self.path = path
        with _explained(path):
            os.close(os.open(path, _DIRECTORY_FLAGS))

    @classmethod
    def create(cls, parent: Path, name: str) -> RunDirectory:
        """Make (or open) the folder `name` inside `parent`, which is made as well when it is missing."""
        path = parent / name
        with _explained(path):
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
            folder = os.open(path, _DIRECTORY_FLAGS)
            try:
                os.fchmod(folder, 0o700)
            finally:
                os.close(folder)
        return cls(path)

    @classmethod
    @contextmanager
    def unpublished(cls, parent: Path, name: str) -> Iterator[RunDirectory]:
        """A hidden folder that becomes a run directory with `publish`, and is removed where the block does not."""
        made = cls.create(parent, f".{name}.{os.getpid()}.tmp")
        hidden = made.path
        try:
            yield made
        finally:
            shutil.rmtree(hidden, ignore_errors=True)

    def publish(self, name: str) -> RunDirectory:
        """Give the folder its name in one step: `name`, or with `-2`, `-3` … where that is taken."""
        number = 1
        while True:
            target = self.path.with_name(name if number == 1 else f"{name}-{number}")
            number += 1
            if os.path.lexists(target):
                continue
            with _explained(target):
                try:
                    self.path.rename(target)
                except OSError as error:
                    if error.errno in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}:
                        continue
                    raise
            return RunDirectory(target)

    def write(self, name: str, content: bytes) -> Path:
        """Write a whole file and return its path. Folders in the name are made, as private as this one."""
        folder, _, rest = name.partition("/")
        if rest:
            return RunDirectory.create(self.path, folder).write(rest, content)
        with self._replacing(name) as descriptor, os.fdopen(descriptor, "wb", closefd=False) as stream:
            stream.write(content)
        return self.path / name

    def copy(self, name: str, source: Path) -> Path:
        """Copy a whole file into the folder, without holding it in memory."""
        with (
            self._replacing(name) as descriptor,
            os.fdopen(descriptor, "wb", closefd=False) as stream,
            source.open("rb") as given,
        ):
            shutil.copyfileobj(given, stream)
        return self.path / name

    def remove(self, *names: str) -> None:
        """Remove files, in this order; those that are not there are none to remove."""
        for name in names:
            path = self.path / name
            with _explained(path):
                path.unlink(missing_ok=True)

    @contextmanager
    def stream(self, name: str) -> Iterator[TextIO]:
        """A UTF-8 text stream without newline translation; the file appears only when the block ends without error."""
        with (
            self._replacing(name) as descriptor,
            os.fdopen(descriptor, "w", encoding="utf-8", newline="", closefd=False) as stream,
        ):
            yield stream

    def write_parts(self, name: str, parts: Iterable[str]) -> None:
        """Write a whole file from parts, without holding it in memory."""
        with self.stream(name) as stream:
            stream.writelines(parts)

    def files(self) -> tuple[str, ...]:
        """Names of the regular files in the folder and in its folders, sorted, without temporary ones."""
        with _explained(self.path):
            found = [entry for entry in os.scandir(self.path) if not entry.name.startswith(".")]
        names = [entry.name for entry in found if entry.is_file(follow_symlinks=False)]
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                names += [f"{entry.name}/{name}" for name in RunDirectory(self.path / entry.name).files()]
        return tuple(sorted(names))

    @contextmanager
    def replacing_folder(self, name: str) -> Iterator[RunDirectory]:
        """A new folder that takes the place of the folder `name` when the block ends without error.

        One that nothing was written to leaves no folder behind.
        """
        with RunDirectory.unpublished(self.path, name) as made:
            yield made
            target, old = self.path / name, made.path.with_suffix(".old")
            with _explained(target):
                if os.path.lexists(target):
                    if not target.is_dir() or target.is_symlink():
                        raise OutputError(f"`{target}` is no folder and will not be replaced", hint="move it away")
                    target.rename(old)
                if made.files():
                    made.path.rename(target)
            shutil.rmtree(old, ignore_errors=True)

    def publish_latest(self) -> Path:
        """Point `latest` beside the folder at it, in one step. To be called when the run is complete."""
        link = self.path.parent / "latest"
        temporary = link.with_name(f".latest.{os.getpid()}.tmp")
        with _explained(link):
            if os.path.lexists(link):
                self._refuse_unless_link(link)
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(self.path.name)
            temporary.replace(link)
        return link

    @staticmethod
    def _refuse_unless_link(link: Path) -> None:
        if not stat.S_ISLNK(link.lstat().st_mode):
            raise OutputError(f"`{link}` is no symbolic link and will not be replaced", hint="move it away")

    @contextmanager
    def _replacing(self, name: str) -> Iterator[int]:
        """File descriptor of a new private file that takes the place of `name` when the block ends without error."""
        temporary = f".{name}.{os.getpid()}.tmp"
        with _explained(self.path / name):
            folder = os.open(self.path, _DIRECTORY_FLAGS)
            try:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=folder)
                descriptor = os.open(
                    temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder
                )
                try:
                    yield descriptor
                    os.fsync(descriptor)
                    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
                except BaseException:
                    with suppress(OSError):
                        os.unlink(temporary, dir_fd=folder)
                    raise
                finally:
                    os.close(descriptor)
            finally:
                os.close(folder)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"`{path}` cannot be written: {reason}", hint=_HINT) from error
