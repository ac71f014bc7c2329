"""The information accountant: what a noisy-SGD run can reveal, by how its batches are drawn."""

from ibjax.bounds.accounting.contracted import joint_depth as joint_depth
from ibjax.bounds.accounting.deviation import exceedance_probability as exceedance_probability
from ibjax.bounds.accounting.deviation import likely_gap as likely_gap
from ibjax.bounds.accounting.epochs import bins_epoch as bins_epoch
from ibjax.bounds.accounting.epochs import shuffled_epoch as shuffled_epoch
from ibjax.bounds.accounting.information import per_example_information as per_example_information
from ibjax.bounds.accounting.information import sample_information_total as sample_information_total
from ibjax.bounds.accounting.measured import hidden_share as hidden_share
from ibjax.bounds.accounting.measured import measured_information as measured_information
from ibjax.bounds.accounting.mixtures import mixture_kl as mixture_kl
from ibjax.bounds.accounting.monte_carlo import mean_upper_limit as mean_upper_limit
from ibjax.bounds.accounting.monte_carlo import membership_certificate as membership_certificate
from ibjax.bounds.accounting.monte_carlo import membership_gain as membership_gain
from ibjax.bounds.accounting.path_density import PathTerms as PathTerms
from ibjax.bounds.accounting.path_density import path_certificate as path_certificate
from ibjax.bounds.accounting.path_density import path_terms as path_terms
from ibjax.bounds.accounting.subsets import fixed_step as fixed_step
from ibjax.bounds.accounting.summary import Account as Account
from ibjax.bounds.accounting.summary import account as account
from ibjax.bounds.accounting.survival import SurvivalSplit as SurvivalSplit
from ibjax.bounds.accounting.survival import given_survival as given_survival
from ibjax.bounds.accounting.survival import survival_limit as survival_limit
from ibjax.bounds.accounting.survival import survival_split as survival_split
