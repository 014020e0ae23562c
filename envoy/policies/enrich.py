"""Asks all providers of the gateway for the same tracks, and waits where it is asked to wait: a sample client.

    make client && .tools/client/bin/python envoy/policies/enrich.py [http://127.0.0.1:8080]

It needs aiohttp and a gateway, as `make run` starts one.
"""

import asyncio
import sys

import aiohttp

PROVIDERS = ["spotify", "musicbrainz", "lastfm", "beatport", "discogs"]
TRACKS = [("deadmau5", "Strobe"), ("deadmau5", "Ghosts 'n' Stuff")]
# How often one request is sent before its caller gives up.
TRIES = 20


async def search(session, provider, artist, title):
    """One search's tracks, however often the gateway says that it is too early."""
    for _ in range(TRIES):
        query = {"artist": artist, "title": title, "limit": 3}
        async with session.post(f"/api/{provider}/search", json=query) as response:
            answer = await response.json()
            if response.status == 200:
                return answer["results"]
            if response.status not in (429, 503):
                raise RuntimeError(f"{provider}: {response.status} {answer['error']['message']}")
            await asyncio.sleep(int(response.headers.get("retry-after", "1")))
    raise RuntimeError(f"{provider} is too busy")


async def main(gateway):
    async with aiohttp.ClientSession(gateway, timeout=aiohttp.ClientTimeout(total=120)) as session:
        asked = [(provider, *track) for track in TRACKS for provider in PROVIDERS]
        answers = await asyncio.gather(*(search(session, *one) for one in asked))
        for (provider, artist, title), tracks in zip(asked, answers):
            found = f"{tracks[0]['artists'][0]['name']} - {tracks[0]['name']}" if tracks else "nothing"
            print(f"{provider}: {artist} - {title}: {found}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"))
