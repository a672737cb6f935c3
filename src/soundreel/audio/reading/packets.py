"""From one track's packets to its decoded frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from soundreel.errors import InputError, mention
from soundreel.events import RunControl
from soundreel.media.container import BROKEN, reason

BAD_PACKETS = 50
"""So many undecodable packets in a row, and the rest is not sound."""

_MOST_PASSED = 4096
"""Packets between where a seek lands and the packet that was sought."""


@dataclass
class Reader:
    """Decodes one track in order. `last_packet` is the one read last."""

    path: Path
    container: InputContainer
    stream: AudioStream
    tolerant: bool
    control: RunControl
    last_packet: Packet[AudioStream] | None = None

    def frames(self, from_packet: tuple[int, int] | None = None) -> Iterator[AudioFrame | None]:
        """Frames with sound in them; None stands for a packet that could not be decoded.

        from_packet: (time stamp, place in the file) of the packet to begin with; nothing comes if
        it is not among the next few thousand.
        """
        bad = 0
        for packet in self._from(from_packet):
            self.control.raise_if_cancelled()
            self.last_packet = packet if packet.size else self.last_packet
            try:
                decoded = packet.decode()
            except BROKEN as err:
                bad += 1
                if bad >= BAD_PACKETS and not self.tolerant:
                    raise self._broken(err) from err
                yield None
                continue
            bad = 0 if decoded else bad
            yield from (frame for frame in decoded if isinstance(frame, AudioFrame))

    def packets(self) -> Iterator[Packet[AudioStream]]:
        """As the file holds them, from where it stands."""
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except BROKEN as err:
                if self.tolerant:
                    return
                raise self._broken(err) from err
            if packet is None:
                return
            yield packet

    def _from(self, first: tuple[int, int] | None) -> Iterator[Packet[AudioStream]]:
        packets = self.packets()
        if first is None:
            return packets
        near = islice(packets, _MOST_PASSED)
        found = (packet for packet in near if (packet.pts, packet.pos or 0) == first)
        return chain(islice(found, 1), packets)

    def _broken(self, err: BaseException) -> InputError:
        return InputError(
            f"{self.path} is damaged: its sound cannot be decoded to the end ({reason(err)})",
            hint=f"use a whole copy, or add {mention(allow_truncated=True)} to use what decodes",
        )
