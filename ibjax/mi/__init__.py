"""Estimators of mutual information: arrays in, nats out, each with how it errs."""

from ibjax.mi.exact import discrete as discrete
from ibjax.mi.exact import gaussian as gaussian
from ibjax.mi.knn import ksg as ksg
from ibjax.mi.parametric import binned as binned
from ibjax.mi.parametric import gaussian_copula as gaussian_copula
from ibjax.mi.parametric import kde_bounds as kde_bounds
from ibjax.mi.parametric import plug_in as plug_in
from ibjax.mi.registry import Estimator as Estimator
from ibjax.mi.registry import all_applicable as all_applicable
from ibjax.mi.registry import estimators as estimators
