"""An instrument: exchange, symbol, timeframe, and its file name."""

import re
from dataclasses import dataclass

from assay.kernel.errors import ConfigError, printable
from assay.kernel.timeframe import Timeframe

_EXCHANGE = re.compile(r"[a-z0-9][a-z0-9_+-]{0,39}")
_SYMBOL = re.compile(
    r"[A-Z0-9][A-Z0-9.&-]{0,39}"  # base, or an equity's ticker
    r"(?:/[A-Z0-9]{1,20}"  # quote
    r"(?::[A-Z0-9]{1,20}(?:-\d{6}(?:-\d+(?:\.\d+)?-[CP])?)?)?)?"  # settle, expiry, strike and kind
)
_MARKET = re.compile(r"([^|]*)\|([^|]*)\|([^|+]*)(?:\+|$)")  # an exchange may have a plus, a timeframe has none
_PLAIN_BYTE = re.compile(rb"[A-Za-z0-9_-]")
_DEVICES = re.compile(r"(?:CON|PRN|AUX|NUL|COM\d|LPT\d)(?:\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class Instrument:
    """One series of candles: exchange, symbol and timeframe, all in ccxt's spelling.

    Raises ConfigError ``CONFIG_EXCHANGE``, ``CONFIG_SYMBOL`` or ``CONFIG_TIMEFRAME``.
    """

    exchange: str
    symbol: str
    timeframe: str

    def __post_init__(self) -> None:
        check_exchange(self.exchange)
        check_symbol(self.symbol)
        Timeframe(self.timeframe)

    @property
    def key(self) -> str:
        """Name of the market in the trial ledger: ``exchange|symbol|timeframe``."""
        return f"{self.exchange}|{self.symbol}|{self.timeframe}"

    @property
    def bar(self) -> Timeframe:
        """The timeframe as a length."""
        return Timeframe(self.timeframe)

    def __str__(self) -> str:
        return f"{self.exchange} {self.symbol} {self.timeframe}"


def markets_of(key: str) -> list[tuple[str, str, str]]:
    """Exchange, symbol and timeframe of each market of a key of the ledger: one, or a panel's, joined by ``+``."""
    return _MARKET.findall(key)


def check_exchange(exchange: str) -> None:
    """Raise ``CONFIG_EXCHANGE`` unless the name is ``[a-z0-9][a-z0-9_+-]{0,39}``."""
    if not _EXCHANGE.fullmatch(exchange):
        raise ConfigError(
            f"exchange {printable(exchange)} is no exchange name; use small letters, digits, '_', '+' and '-', "
            "for example binance",
            code="CONFIG_EXCHANGE",
            exchange=exchange[:64],
        )


def check_symbol(symbol: str) -> None:
    """Raise ``CONFIG_SYMBOL`` unless the symbol is spelled as ccxt does, with ASCII capitals.

    The message proposes the right spelling where there is one (small letters, blanks, Cyrillic look-alikes).
    """
    if _SYMBOL.fullmatch(symbol) and ".." not in symbol:
        return
    likely = _likely(symbol)
    if likely:
        remedy = f"did you mean {likely}?"
    else:
        remedy = (
            "use an instrument's name as ccxt spells it, for example BTC/USDT or BTC/USDT:USDT; "
            "an unusual name needs an explicit mapping"
        )
    raise ConfigError(
        f"symbol {printable(symbol)} is not valid: {remedy}",
        code="CONFIG_SYMBOL",
        hint=remedy,
        symbol=printable(symbol),
    )


_LOOK_ALIKES = str.maketrans("АВЕКМНОРСТХУІЅЈ", "ABEKMHOPCTXYISJ")


def _likely(symbol: str) -> str:
    """The valid spelling that was probably meant, or the empty text. Never drops control characters."""
    guess = symbol.strip(" ").upper().translate(_LOOK_ALIKES) if len(symbol) < 100 else ""
    return guess if guess != symbol and "/" in guess and _SYMBOL.fullmatch(guess) else ""


def slug(symbol: str) -> str:
    """File name for a symbol, one to one: every byte outside ``[A-Za-z0-9_-]`` becomes ``~XX``.

    A dot stays unless it comes first; a first ``-`` and the first letter of a Windows device name are escaped too.

    >>> slug("BTC/USDT"), slug("BTC-USD"), slug("BRK.B")
    ('BTC~2FUSDT', 'BTC-USD', 'BRK.B')
    """
    device = _DEVICES.fullmatch(symbol) is not None
    return "".join(
        chr(byte) if _stays(byte, first=i == 0, device=device) else f"~{byte:02X}"
        for i, byte in enumerate(symbol.encode())
    )


def _stays(byte: int, *, first: bool, device: bool) -> bool:
    if first and (device or byte in b"-."):
        return False
    return byte == ord(".") or _PLAIN_BYTE.fullmatch(bytes([byte])) is not None
