"""All plugins of the gallery in one component, because each would hold an interpreter of its own: the configuration says
which. Only for tests."""

from typing import Any

from dedup_plugin import Event, Info, key_extractor
from gallery.email import Email
from gallery.geo import Geo
from gallery.money import Money
from gallery.tags import Tags
from gallery.time import Time
from gallery.url import Url

RECIPES = {"email": Email, "url": Url, "time": Time, "money": Money, "geo": Geo, "tags": Tags}


@key_extractor
class Recipes:
    INFO = Info(name="gallery", version="0.1.0", key_version=1)

    def configure(self, config: str) -> Any:
        if config not in RECIPES:
            raise ValueError(f"{config!r} is none of {', '.join(RECIPES)}")
        recipe = RECIPES[config]()
        self.key = recipe.key
        return recipe.configure("")

    def key(self, event: Event) -> Any:
        raise NotImplementedError
