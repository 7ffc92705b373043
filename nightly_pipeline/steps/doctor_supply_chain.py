"""What package lists and signatures need, each with what is seen of it and how to mend it."""

from __future__ import annotations

from functools import partial

from nightly_pipeline.model.host import HostNeeds, ImageNeed, SigningNeed
from nightly_pipeline.steps.doctor import Check, Finding, Readiness
from nightly_pipeline.steps.doctor_registries import ACCESS_S
from nightly_pipeline.steps.host_probe import HostProbe

_SCANNER, _SIGNING = "SBOM scanner", "Signing"


def supply_chain_checks(needs: HostNeeds, probe: HostProbe) -> list[Check]:
    """That the image that lists packages is there, and that what is published can be signed where it shall be."""
    checks = []
    if needs.sbom_generator is not None:
        checks.append(Check(_SCANNER, partial(_scanner, probe, needs.sbom_generator), deadline_s=ACCESS_S))
    if needs.signing is not None:
        checks.append(Check(_SIGNING, partial(_signing, probe, needs.signing)))
    return checks


def _scanner(probe: HostProbe, image: ImageNeed) -> Finding:
    if probe.image_platforms(image.reference, insecure=image.insecure) is None:
        return Finding(_SCANNER, Readiness.MISSING, f"{image.reference} is not there", "Run `make setup`.")
    return Finding(_SCANNER, Readiness.OK, image.reference)


def _signing(probe: HostProbe, need: SigningNeed) -> Finding:
    program = probe.cosign()
    if program is None:
        remedy = "Install cosign where images are published, or take `signing.key` out of the profile."
        return Finding(_SIGNING, Readiness.MISSING, "cosign is not installed", remedy)
    if need.file is None:
        return Finding(_SIGNING, Readiness.OK, f"{program} with {need.key}")
    if not probe.is_file(need.file):
        remedy = "Correct `signing.key`; `cosign generate-key-pair` makes a pair."
        return Finding(_SIGNING, Readiness.MISSING, f"there is no key at {need.file}", remedy)
    if not need.has_password:
        detail = f"{program} with {need.file}, but COSIGN_PASSWORD is not set or empty"
        return Finding(
            _SIGNING, Readiness.WARNING, detail, "Set COSIGN_PASSWORD unless the key has no password."
        )
    return Finding(_SIGNING, Readiness.OK, f"{program} with {need.file}")
