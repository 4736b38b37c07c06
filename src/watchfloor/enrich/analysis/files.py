"""What a file's name says of its kind."""

from __future__ import annotations

_KINDS: dict[str, tuple[str, ...]] = {
    "executable": ("exe", "scr", "com", "pif", "msi", "msix", "dll", "cpl", "jar", "app", "apk", "elf", "bin"),
    "script": ("js", "jse", "vbs", "vbe", "wsf", "wsh", "hta", "ps1", "psm1", "bat", "cmd", "sh", "lnk", "url", "chm",
               "reg", "scf", "sct", "xll", "settingcontent-ms", "library-ms", "one"),
    "macro_document": ("docm", "dotm", "xlsm", "xlsb", "xltm", "xlam", "pptm", "ppam", "slk", "iqy"),
    "disk_image": ("iso", "img", "vhd", "vhdx", "dmg"),
    "archive": ("zip", "rar", "7z", "gz", "tar", "tgz", "cab", "ace", "arj", "xz", "bz2"),
    "page": ("html", "htm", "shtml", "xhtml", "svg", "mht", "php", "asp", "aspx", "jsp"),
    "document": ("doc", "docx", "xls", "xlsx", "ppt", "pptx", "pdf", "rtf", "odt", "ods", "txt", "csv"),
    "image": ("png", "jpg", "jpeg", "gif", "bmp", "webp", "tif", "tiff"),
    "mail": ("eml", "msg", "ics", "vcf"),
}  # fmt: skip
_OF = {extension: kind for kind, extensions in _KINDS.items() for extension in extensions}
RISKY = frozenset({"executable", "script", "macro_document", "disk_image"})


def kind_of(name: str) -> str:
    """The kind of a file by its last extension, or empty. Trailing dots and spaces, which Windows drops, count not."""
    plain = name.rstrip(". ").lower()
    return _OF.get(plain.rpartition(".")[2], "") if "." in plain else ""


def double_extension(name: str) -> bool:
    """`invoice.pdf.exe`: a harmless extension in front of one that runs, or text that is turned round (U+202E)."""
    parts = name.lower().rstrip(". ").split(".")
    inner = _OF.get(parts[-2].strip(), "") if len(parts) > 2 else ""
    return "\u202e" in name or (inner in ("document", "image") and kind_of(name) in RISKY)
