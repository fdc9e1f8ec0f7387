"""One image beside its overlay, with a caption below: what a notebook shows."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from sightline.plots.overlay import Overlay, blend

_MARGIN = 6
_TEXT = 14


def panel_size(image: Image.Image, side: int) -> tuple[int, int]:
    """Height and width of an image whose longer side takes ``side`` pixels."""
    longer = max(image.size)
    return max(1, round(image.height * side / longer)), max(1, round(image.width * side / longer))


def side_by_side(image: Image.Image, overlay: Overlay, palette: str, side: int) -> Image.Image:
    """An image, its overlay to the right, the overlay's caption below.

    Parameters
    ----------
    image
        Upright RGB.
    overlay
        As for `sightline.plots.overlay.blend`.
    palette
        Colour map.
    side
        Pixels of the image's longer side.
    """
    height, width = panel_size(image, side)
    font = ImageFont.load_default(_TEXT)
    lines = _lines(overlay.caption, font, max(2 * width, side) - 2 * _MARGIN)
    step = _TEXT + 4
    page = Image.new(
        "RGB", (max(2 * width, side), height + len(lines) * step + 2 * _MARGIN), "white"
    )
    page.paste(image.resize((width, height), Image.Resampling.BICUBIC), (0, 0))
    page.paste(Image.fromarray(blend(image, overlay, palette, (height, width))), (width, 0))
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, height + _MARGIN + number * step), line, fill="black", font=font)
    return page


def _lines(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """A text broken between words where it would be wider than the page."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
