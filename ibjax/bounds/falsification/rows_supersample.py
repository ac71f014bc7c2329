"""Rows of supersamples: bounds from masks, replicas, points left out and candidates."""

import jax.numpy as jnp

from ibjax import bounds
from ibjax.bounds.falsification.rows import Row, fed

_MASKS = "mask_information! n"
_LOSSES = "loss_information! n"
_CANDIDATES = "candidate_information! candidates"
_FORM = "candidate_information! candidates=candidates"


def _per_class(losses, labels, masks, num_classes):
    found = bounds.per_class(losses, labels, masks, num_classes).bound
    # A class that does not occur has no gap and no bound.
    return jnp.where(jnp.isnan(found.value), jnp.inf, found.value)


def _size_of_classes(fields, value):
    return abs(fields["class_gap"]), value


def _profile(predictions, losses, masks):
    return bounds.information_profile([2 * predictions + losses, losses], masks)


def _with_error(bound, information: str, **options):
    """A bound on the gap from the training error and an information."""
    return fed(bound, f"train_error! {information}!", **options)


_FORMS = ("mutual", "mutual_tv", "chi2", "hellinger", "tv", "js")
_REPLICAS = (
    *(("e_cmi", bounds.e_cmi, {"inversion": i}) for i in ("sqrt", "phi", "pair", "kl_half")),
    *(("ld_cmi", bounds.ld_cmi, {"inversion": i}) for i in ("sqrt", "phi", "pair", "kl_half")),
    *(("single_loss", bounds.single_loss, {"inversion": i}) for i in ("sqrt", "phi", "js")),
    ("e_cmi", bounds.e_cmi, {"pooled": True}),
    ("ld_cmi", bounds.ld_cmi, {"pooled": True}),
    ("ld_cmi", bounds.ld_cmi, {"pooled": True, "inversion": "pair"}),
    ("single_loss", bounds.single_loss, {"pooled": True}),
    *(("f_information", bounds.f_information, {"form": f}) for f in _FORMS),
    *(("f_information", bounds.f_information, {"form": f, "pooled": True}) for f in _FORMS),
)


def _name(base: str, options: dict) -> str:
    words = [str(v) for k, v in options.items() if k != "pooled" and v != "sqrt"]
    return "_".join([base, *words, *(["pooled"] if options.get("pooled") else [])])


def _signed(options: dict) -> str:
    return "gap" if options.get("inversion") in ("pair", "kl_half", "js") else "size"


ROWS = (
    Row("steinke_zakynthinou", fed(bounds.steinke_zakynthinou, _MASKS)),
    Row("steinke_zakynthinou_phi", fed(bounds.steinke_zakynthinou, _MASKS, inversion="phi")),
    Row(
        "steinke_zakynthinou_evaluated",
        fed(bounds.steinke_zakynthinou, _LOSSES, evaluated=True),
        "ghost_gap",
    ),
    Row(
        "steinke_zakynthinou_evaluated_phi",
        fed(bounds.steinke_zakynthinou, _LOSSES, evaluated=True, inversion="phi"),
        "ghost_gap",
    ),
    *(
        Row(
            f"fast_rate_{form}{free}",
            _with_error(bounds.fast_rate, f"difference_information{free}", form=form),
            "gap",
        )
        for form in ("pair", "kl_half", "linear", "basic")
        for free in ("", "_free")
    ),
    Row("fast_rate_pair_losses", _with_error(bounds.fast_rate, "pair_information"), "gap"),
    Row(
        "fast_rate_pair_predictions", _with_error(bounds.fast_rate, "prediction_information"), "gap"
    ),
    *(
        Row(f"{name}{free}", _with_error(bound, f"{given}_information{free}"), truth)
        for name, bound, given, truth in (
            ("binary_js", bounds.binary_js, "single", "gap"),
            ("interpolation", bounds.interpolation, "difference", "test_error"),
        )
        for free in ("", "_free")
    ),
    Row("f_cmi", fed(bounds.f_cmi, "predictions masks num_classes", inversion="sqrt")),
    Row("f_cmi_phi", fed(bounds.f_cmi, "predictions masks num_classes", inversion="phi")),
    *(
        Row(_name(base, options), fed(bound, "losses masks", **options), _signed(options))
        for base, bound, options in _REPLICAS
    ),
    Row("per_class", _per_class, "class_gap", compare=_size_of_classes),
    Row("information_profile", _profile),
    Row("leave_one_out", fed(bounds.leave_one_out, "left_out_losses", form="sqrt")),
    Row(
        "leave_one_out_interpolation",
        fed(bounds.leave_one_out, "left_out_losses", form="interpolation"),
        "test_error",
    ),
    Row("k_ghost", fed(bounds.k_ghost, _CANDIDATES)),
    Row("path_membership", fed(bounds.path_membership, _FORM, form="sqrt")),
    Row(
        "path_membership_phi",
        fed(bounds.path_membership, "candidate_information!", form="phi"),
        only={"candidates": (2,)},
    ),
    Row(
        "path_membership_pair",
        fed(bounds.path_membership, "candidate_information! train_error=train_error!", form="pair"),
        "gap",
        only={"candidates": (2,), "binary_loss": (True,)},
    ),
    Row(
        "path_membership_kl",
        fed(bounds.path_membership, f"{_FORM} train_error=train_error!", form="kl"),
        "gap",
    ),
    Row(
        "single_loss_published",
        fed(bounds.single_loss, "losses masks", centred=False),
        theorem=False,
        note="one column: needs a law that swapping a pair and its bit leaves unchanged",
    ),
)
