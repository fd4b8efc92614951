"""The rules once more, as the document writes them: row by row, slowly, with fresh sums. For comparison only."""

import numpy as np

NAN = float("nan")


def true_range(b, t):
    return max(b.high[t], b.close[t - 1]) - min(b.low[t], b.close[t - 1])


def atr(b, t, w=14):
    return sum(true_range(b, i) for i in range(t - w + 1, t + 1)) / w if t >= w else NAN


def ratio(b, t, w=20):
    if t < w:
        return NAN
    mean = sum(b.volume[t - w : t]) / w
    return b.volume[t] / mean if mean > 0 else NAN


def rsi(b, t, w=14):
    if t < w:
        return NAN
    moves = [b.close[i] - b.close[i - 1] for i in range(t - w + 1, t + 1)]
    up, down = sum(m for m in moves if m > 0), -sum(m for m in moves if m < 0)
    return 50.0 if up + down == 0 else 100 * up / (up + down)


def ema(b, t, s):
    q = 1 - 2 / (s + 1)
    if t < 4 * s - 1:
        return NAN
    weights = [q**k for k in range(4 * s)]
    return sum(w * b.close[t - k] for k, w in enumerate(weights)) / sum(weights)


def edge(condition):
    return [c if c and c != (condition[i - 1] if i else 0) else 0 for i, c in enumerate(condition)]


def both(long, short):
    return int(long) - int(short)


def range_sweep(b, v, first):
    out = {}
    for t in range(first, len(b)):
        floor = min(b.low[t - v["N"] : t])
        if b.low[t] <= floor * (1 - v["p"]) and b.close[t] > floor and ratio(b, t) >= v["k"]:
            out[t] = (1, v["atr_multiplier_sl"] * atr(b, t))
    return out


def support_levels(x, a, e, d, m):
    prices = sorted(
        x[0][j] for j in range(a + 2, e - 1) if all(x[1][j] < x[1][i] for i in (j - 2, j - 1, j + 1, j + 2))
    )
    groups = []
    for price in prices:
        if groups and price - np.mean(groups[-1]) <= d * np.mean(groups[-1]):
            groups[-1].append(price)
        else:
            groups.append([price])
    return [np.mean(g) for g in groups if len(g) >= m]


def liquidity_sweep(b, v, first):
    r, k_rows, p, d, m = (
        v[n] for n in ("reversal_candles", "key_level_lookback", "pierce_depth", "min_distance_from_level",
                       "min_level_touches")
    )  # fmt: skip
    raw = [0] * len(b)
    for t in range(first - 1, len(b)):
        a, e = t - r - 2 - k_rows + 1, t - r - 2
        unit = atr(b, t)
        loud = max(ratio(b, i) for i in range(t - r - 1, t)) >= v["volume_spike_threshold"]
        near = lambda level, unit=unit, t=t: abs(level - b.close[t]) <= 3 * unit  # noqa: E731
        supports = support_levels((b.low, b.low), a, e, d, m)
        resistances = support_levels((b.high, -b.high), a, e, d, m)
        rises = [b.close[i] - b.open[i] for i in range(t - r, t + 1)]
        body = v["reversal_body_atr"] * unit
        long = loud and sum(x > 0 for x in rises) >= r and max(rises) >= body and any(
            near(level) and min(b.low[t - r - 1 : t]) <= level * (1 - p) and b.close[t] > level for level in supports
        )  # fmt: skip
        short = loud and sum(x < 0 for x in rises) >= r and -min(rises) >= body and any(
            near(level) and max(b.high[t - r - 1 : t]) >= level * (1 + p) and b.close[t] < level
            for level in resistances
        )  # fmt: skip
        raw[t] = both(long, short)
    return {t: (s, 1.5 * atr(b, t)) for t, s in enumerate(edge(raw)) if s and t >= first}


def panic(b, v, e):
    body = abs(b.close[e] - b.open[e])
    wicks = b.high[e] - b.low[e] - body
    calm = np.mean([atr(b, i) for i in range(e - 20, e)])
    extreme = v["rsi_extreme_threshold"]
    return (
        0.30 * (ratio(b, e) >= v["volume_explosion_threshold"])
        + 0.25 * (body / b.open[e] >= v["price_velocity_threshold"])
        + 0.20 * (atr(b, e) / calm >= v["atr_explosion_threshold"] if calm > 0 else False)
        + 0.15 * (wicks >= v["exhaustion_wick_ratio"] * body and wicks > 0)
        + 0.10 * (rsi(b, e) <= extreme or rsi(b, e) >= 100 - extreme)
    )


def capitulation_reversal(b, v, first):
    window, q = v["panic_window"], v["consecutive_panic_candles"]
    raw, trust = [0] * len(b), {}
    score = [panic(b, v, e) if e >= 34 else 0.0 for e in range(len(b))]
    move = b.close - b.open
    for t in range(first - 1, len(b)):
        strong = [e for e in range(t - window, t) if score[e] >= v["panic_score_minimum"] - 1e-12]
        down = [score[e] for e in strong if all(move[e - q + 1 : e + 1] < 0)]
        up = [score[e] for e in strong if all(move[e - q + 1 : e + 1] > 0)]
        loud = ratio(b, t) >= v["recovery_volume_threshold"]
        recent = [rsi(b, i) for i in range(t - 5, t)]
        long = down and move[t] > 0 and loud and min(recent) < 35 and rsi(b, t) >= 25
        short = up and move[t] < 0 and loud and max(recent) > 65 and rsi(b, t) <= 75
        raw[t] = both(bool(long), bool(short))
        trust[t] = max(down if raw[t] > 0 else up, default=0)
    return {t: (s, 1.5 * atr(b, t), trust[t]) for t, s in enumerate(edge(raw)) if s and t >= first}


def failed_breakdown(b, v, first):
    length, depth, duration = v["range_lookback_periods"], v["breakdown_depth"], v["spring_max_duration"]
    most, least, n = v["breakdown_volume_threshold"], v["recovery_volume_threshold"], len(b)
    best = {}
    for e in range(length, n):
        low, high, volume = b.low[e - length : e], b.high[e - length : e], b.volume[e - length : e]
        s, top, mean = min(low), max(high), np.mean(volume)
        below, above = sum(low <= 1.005 * s), sum(high >= 0.995 * top)
        quieter = np.mean(volume[length // 2 :]) < v["volume_decline"] * np.mean(volume[: length // 2])
        if not ((top - s) / s <= v["range_tightness_threshold"] and quieter and below >= 3 and above >= 3):
            continue
        for start in range(e, min(e + v["range_memory"], n)):
            if not (b.low[start] <= s * (1 - depth) and b.volume[start] / mean <= most):
                continue
            back = [i for i in range(start + 1, min(start + duration + 1, n)) if b.close[i] > s]
            if not back or b.volume[back[0]] / mean < least or b.close[back[0]] > 1.03 * s:
                continue
            r = back[0]
            score = (
                0.25 * max(0, 1 - b.volume[start] / mean / most)
                + 0.30 * min(1, b.volume[r] / mean / (1.5 * least))
                + 0.20 * max(0, 1 - (r - start) / duration)
                + 0.15 * min(1, (below + above) / 10)
            ) / 0.90
            if score >= v["accumulation_score_minimum"]:
                best[r] = max(best.get(r, (-1,)), (round(score, 12), e, start, s))
    return {
        t: (1, b.close[t] - s + 1.2 * atr(b, t), score) for t, (score, _, _, s) in sorted(best.items()) if t >= first
    }


def htf_sweep(b, v, first, htf_ms):
    p, window, x = b.instrument.bar.ms, v["swing_lookback_periods"], v["min_sweep_percentage"]
    keys = b.timestamp // htf_ms
    buckets = [np.flatnonzero(keys == key) for key in np.unique(keys)]
    opens = [int(b.timestamp[rows[0]] // htf_ms * htf_ms) for rows in buckets]
    lows, highs = [min(b.low[rows]) for rows in buckets], [max(b.high[rows]) for rows in buckets]
    last = [b.close[rows[-1]] for rows in buckets]
    out, used = {}, set()
    for t in range(len(b)):
        k = max((i for i, h in enumerate(opens) if h + htf_ms <= b.timestamp[t] + p), default=-1)
        if k < window:
            continue
        range_ = range(k - window + 1, k - 1)
        low = [j for j in range_ if lows[j] < lows[j - 1] and lows[j] < lows[j + 1]]
        high = [j for j in range_ if highs[j] > highs[j - 1] and highs[j] > highs[j + 1]]
        confirm = v["structure_shift_confirmation"]
        long = low and lows[k] < lows[low[-1]] * (1 - x) and last[k] > lows[low[-1]]
        short = high and highs[k] > highs[high[-1]] * (1 + x) and last[k] < highs[high[-1]]
        long = long and (not confirm or b.close[t] > highs[k]) and (k, 1) not in used
        short = short and (not confirm or b.close[t] < lows[k]) and (k, -1) not in used
        used |= ({(k, 1)} if long else set()) | ({(k, -1)} if short else set())
        if both(bool(long), bool(short)) and t >= first:
            out[t] = (1, b.close[t] - lows[k]) if long else (-1, highs[k] - b.close[t])
    return out


def volume_breakout(b, v, first):
    period = v["consolidation_period"]
    quiet = [b.high[i] - b.low[i] < v["atr_multiplier"] * atr(b, i, v["atr_period"]) for i in range(len(b))]
    out = {}
    for t in range(first, len(b)):
        rows = range(t - period - 5, t)
        runs = [(a, e) for e in rows for a in rows if e - a + 1 >= period and all(quiet[a : e + 1])]
        if not runs:
            continue
        e = max(run[1] for run in runs)
        a = min(run[0] for run in runs if run[1] == e)
        top, bottom = max(b.high[a : e + 1]), min(b.low[a : e + 1])
        loud = ratio(b, t, v["volume_sma_period"]) > v["volume_multiplier"]
        if b.close[t] > top and loud and not any(b.close[e + 1 : t] > top):
            out[t] = (1, b.close[t] - (top + bottom) / 2)
    return out


def divergence_capitulation(b, v, first):
    raw, levels = [0] * len(b), {}
    for t in range(first - 1, len(b)):
        rows = range(t - v["divergence_lookback"] + 2, t)
        lows = [j for j in rows if b.low[j] < b.low[j - 1] and b.low[j] < b.low[j + 1]]
        if len(lows) < 2:
            continue
        p1, p2 = lows[-2:]
        s = b.close[t] - (1 - v["stop_buffer"]) * b.low[p2]
        g = ema(b, t, v["take_profit_ema"]) - b.close[t]
        raw[t] = int(
            ema(b, t, v["ema_fast"]) < ema(b, t, v["ema_slow"])
            and b.low[p2] < b.low[p1]
            and rsi(b, p2, v["rsi_period"]) > rsi(b, p1, v["rsi_period"])
            and ratio(b, p2) > v["volume_spike_multiplier"]
            and b.close[t] > b.open[t]
            and s > 0
            and g > 0
            and g / s >= v["min_reward_risk"]
        )
        levels[t] = (1, s, g)
    return {t: levels[t] for t, s in enumerate(edge(raw)) if s and t >= first}
