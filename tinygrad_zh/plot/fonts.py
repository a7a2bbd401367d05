"""Which font draws Chinese. 中文字体"""

from __future__ import annotations

from functools import cache
from pathlib import Path

FONTS = {
    "Noto Sans CJK SC": "notosanscjk",
    "Noto Sans SC": "notosanssc",
    "Source Han Sans SC": "sourcehansans",
    "PingFang SC": "pingfang",
    "Hiragino Sans GB": "hiragino sans gb",
    "Microsoft YaHei": "msyh",
    "WenQuanYi Micro Hei": "wqy-microhei",
    "WenQuanYi Zen Hei": "wqy-zenhei",
    "SimHei": "simhei",
    "Noto Sans CJK JP": "notosanscjk",  # the face that matplotlib takes from Noto's collection file
}
"""{font family: how its file's name begins}, the best first."""


@cache
def chinese_font() -> str | None:
    """The family of the first installed font that draws Chinese, or None. 中文字体

    matplotlib remembers the fonts of the day it was first used, so one installed later is found by its file.
    """
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    for family in FONTS:
        if family in known:
            return family
    files = sorted(font_manager.findSystemFonts(), key=lambda file: ("regular" not in file.lower(), file))
    for beginning in FONTS.values():
        for file in files:
            if Path(file).name.lower().startswith(beginning):
                font_manager.fontManager.addfont(file)
                return font_manager.get_font(file).family_name
    return None
