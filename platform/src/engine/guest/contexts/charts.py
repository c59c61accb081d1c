"""What a figure of matplotlib shows, as numbers: the shapes of a chart are those of docs/e2b.md."""
import re
import sys

DATE = ("DateConverter", "DatetimeConverter", "ConciseDateConverter", "_SwitchableDateConverter")


def install():
    """Has box plots keep what they were drawn from: their lines do not tell."""
    axes = sys.modules.get("matplotlib.axes")
    if not axes or hasattr(axes.Axes.bxp, "warren"):
        return
    drawn = axes.Axes.bxp

    def bxp(self, bxpstats, positions=None, *args, **more):
        bxpstats = list(bxpstats)
        kept = self.__dict__.setdefault("_warren_boxes", {})
        vertical = more.get("vert", True) is not False and more.get("orientation") != "horizontal"
        for at, stats in enumerate(bxpstats):
            kept[positions[at] if positions is not None else at + 1] = (stats, vertical)
        return drawn(self, bxpstats, positions, *args, **more)

    bxp.warren = True
    bxp.__doc__, bxp.__name__ = drawn.__doc__, drawn.__name__
    axes.Axes.bxp = bxp


def chart(figure):
    """None for a figure that shows nothing."""
    found = [one for one in map(axes_chart, figure.axes) if one]
    if len(found) <= 1:
        return found[0] if found else None
    title = figure._suptitle.get_text() if getattr(figure, "_suptitle", None) else ""
    return {"type": "superchart", "title": title or None, "elements": found}


def axes_chart(axes):
    if not (axes.lines or axes.patches or axes.collections or axes.images or axes.texts or axes.tables or axes.artists):
        return None
    title = axes.get_title() or None
    wedges = [patch for patch in axes.patches if type(patch).__name__ == "Wedge"]
    if wedges:
        return {"type": "pie", "title": title, "elements": [slice_of(wedge) for wedge in wedges]}
    lines = [line for line in axes.lines if not is_grid_line(line)]
    clouds = [cloud for cloud in axes.collections if type(cloud).__name__ == "PathCollection"]
    groups = [group for group in axes.containers if type(group).__name__ == "BarContainer"]
    if getattr(axes, "_warren_boxes", None):
        return {"type": "box_and_whisker", "title": title, **labels(axes), "elements": boxes(axes)}
    if groups:
        return {"type": "bar", "title": title, **labels(axes), "elements": bars(axes, groups)}
    if clouds:
        points = [{"label": name(cloud, "Group"), "points": cloud_points(axes, cloud)} for cloud in clouds]
        return {"type": "scatter", "title": title, **labels(axes), **scales(axes), "elements": points}
    if lines:
        points = [{"label": name(line, "Line"), "points": line_points(axes, line)} for line in lines]
        return {"type": "line", "title": title, **labels(axes), **scales(axes), "elements": points}
    return {"type": "unknown", "title": title, "elements": []}


def is_grid_line(line):
    x, y = line.get_xdata(), line.get_ydata()
    return len(x) == 2 and (x[0] == x[1] or y[0] == y[1])


def name(artist, kind):
    """Its label; one that matplotlib has made up is replaced by a number."""
    label = str(artist.get_label())
    made_up = re.match(r"_(?:child|container|line|collection)?(\d+)$", label)
    if made_up:
        return "%s %s" % (kind, made_up.group(1))
    return "%s 0" % kind if label.startswith("_") else label


def labels(axes):
    x, y = axes.get_xlabel() or None, axes.get_ylabel() or None
    return {"x_label": x, "y_label": y, "x_unit": unit(x), "y_unit": unit(y)}


def unit(label):
    found = re.search(r"\(([^()]+)\)\s*$|\[([^\[\]]+)\]\s*$", label or "") or re.search(r"\((.+?)\)|\[(.+?)\]", label or "")
    return next(part for part in found.groups() if part) if found else None


def scales(axes):
    found = {}
    for side, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        ticks = list(axis.get_ticklocs())
        scale = scale_of(axis)
        found["%s_ticks" % side] = dates(ticks) if scale == "datetime" else [float(tick) for tick in ticks]
        found["%s_tick_labels" % side] = tick_labels(axis, ticks)
        found["%s_scale" % side] = scale
    return found


def scale_of(axis):
    converter = axis.get_converter() if hasattr(axis, "get_converter") else axis.converter
    kind = type(converter).__name__
    if kind in DATE:
        return "datetime"
    return "categorical" if kind == "StrCategoryConverter" else str(axis.get_scale())


def tick_labels(axis, ticks):
    try:
        return [str(text) for text in axis.get_major_formatter().format_ticks(ticks)]
    except Exception:
        return [label.get_text() for label in axis.get_ticklabels()]


def dates(numbers):
    from matplotlib.dates import num2date

    def date(number):
        try:
            return num2date(float(number)).isoformat()
        except (ValueError, OverflowError):
            return None

    return [date(number) for number in numbers]


def coordinates(axis, numbers):
    scale = scale_of(axis)
    if scale == "datetime":
        return dates(numbers)
    if scale == "categorical":
        known = {value: str(key) for key, value in getattr(axis.units, "_mapping", {}).items()}
        return [known.get(number, number) for number in map(float, numbers)]
    return [float(number) for number in numbers]


def line_points(axes, line):
    x, y = line.get_xdata(orig=False), line.get_ydata(orig=False)
    return [list(point) for point in zip(coordinates(axes.xaxis, x), coordinates(axes.yaxis, y))]


def cloud_points(axes, cloud):
    offsets = cloud.get_offsets()
    x, y = [point[0] for point in offsets], [point[1] for point in offsets]
    return [list(point) for point in zip(coordinates(axes.xaxis, x), coordinates(axes.yaxis, y))]


def ticks_of(axis):
    ticks = list(axis.get_ticklocs())
    return list(zip(map(float, ticks), tick_labels(axis, ticks)))


def label_at(ticks, place, reach):
    """What is written at `place` of an axis: the nearest tick that is not farther away than `reach`."""
    near = [(abs(tick - place), text) for tick, text in ticks if text and abs(tick - place) <= reach]
    return min(near)[1] if near else "%g" % place


def bars(axes, groups):
    found = []
    for number, group in enumerate(groups):
        label = str(group.get_label())
        label = "Group %d" % number if label.startswith("_") or not label else label
        horizontal = getattr(group, "orientation", None) == "horizontal"
        ticks = ticks_of(axes.yaxis if horizontal else axes.xaxis)
        for bar in group.patches:
            width = bar.get_height() if horizontal else bar.get_width()
            middle = (bar.get_y() if horizontal else bar.get_x()) + width / 2
            value = bar.get_width() if horizontal else bar.get_height()
            found.append({"label": label_at(ticks, float(middle), abs(float(width))), "group": label, "value": float(value)})
    return found


def slice_of(wedge):
    angle = round(abs(float(wedge.theta2) - float(wedge.theta1)), 4)
    return {"label": str(wedge.get_label()), "angle": angle, "radius": float(wedge.r)}


def boxes(axes):
    found = []
    for place, (stats, vertical) in sorted(axes._warren_boxes.items(), key=lambda item: float(item[0])):
        ticks = ticks_of(axes.xaxis if vertical else axes.yaxis)
        found.append(
            {
                "label": label_at(ticks, float(place), 0.25),
                "min": float(stats["whislo"]),
                "first_quartile": float(stats["q1"]),
                "median": float(stats["med"]),
                "third_quartile": float(stats["q3"]),
                "max": float(stats["whishi"]),
                "outliers": [float(value) for value in stats.get("fliers", [])],
            }
        )
    return found
