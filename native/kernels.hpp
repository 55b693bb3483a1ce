// The explicit list of kernels: name, and its arguments in order. A kernel is one line here and one function.
//
// "x:view" is seven numbers, "rate:real" the bits of a double, "runs*" the rest; all others are one integer each.
#pragma once
#include "program.hpp"

#define CHAINRULE_KERNELS(K)                                                                                          \
    K(load_input, "y:view")                                                                                           \
    K(clear_border, "x:view top bottom left right")                                                                   \
    K(pack, "weights packed groups outputs f_stride group_stride k_offsets*")                                         \
    K(pack_pairs, "weights packed groups outputs f_stride group_stride k_offsets*")                                   \
    K(round_pairs, "x:view y:view groups")                                                                            \
    K(unpack_gradient, "weights packed groups outputs f_stride group_stride k_offsets*")                              \
    K(correlate, "x:view y:view mask packed bias stride_h stride_w relu accumulate groups run_length runs*")          \
    K(correlate_pairs, "x:view y:view mask packed bias stride_h stride_w relu accumulate groups run_length runs*")    \
    K(correlate_weights, "x:view d:view g stride_h stride_w groups run_length runs*")                                 \
    K(correlate_weights_pairs, "x:view d:view g stride_h stride_w groups run_length runs*")                           \
    K(pack_winograd, "weights packed inputs outputs k_stride f_stride flip")                                          \
    K(correlate_winograd, "x:view y:view mask packed bias shift relu accumulate")                                     \
    K(correlate_weights_winograd, "x:view d:view sums shift")                                                         \
    K(unpack_winograd, "weights sums inputs outputs")                                                                 \
    K(affine_forward, "x:view y:view W b relu")                                                                       \
    K(affine_backward, "d:view dx:view W mask accumulate")                                                            \
    K(affine_gradient, "x:view d:view dW")                                                                            \
    K(affine_update, "x:view d:view W decay")                                                                         \
    K(bias_gradient, "d:view db")                                                                                     \
    K(moments, "z:view gamma mean var rstd scale partials eps:real")                                       \
    K(fixed_scale, "c gamma var scale eps:real")                                                                      \
    K(block_forward, "z:view y:view scale mean beta relu pool_h pool_w keep keep_scale:real")                             \
    K(block_sums, "d:view z:view scale mean beta relu pool_h pool_w keep partials keep_scale:real")                  \
    K(block_gradients, "d:view z:view gamma mean rstd dgamma dbeta coefficients partials")                            \
    K(block_backward, "d:view z:view dz:view scale mean beta coefficients relu pool_h pool_w keep accumulate "       \
                      "keep_scale:real")                                                                              \
    K(running_moments, "mean var running_mean running_var c momentum:real")                                           \
    K(dropout_mask, "y:view threshold path*")                                                                         \
    K(max_pool_forward, "x:view y:view winners h w stride_h stride_w top left image_h image_w")                       \
    K(max_pool_backward, "d:view dx:view winners h w stride_h stride_w top left image_h image_w accumulate")          \
    K(average_pool_forward, "x:view y:view h w stride_h stride_w top left image_h image_w counts*")                   \
    K(average_pool_backward, "d:view dx:view h w stride_h stride_w top left image_h image_w accumulate counts*")      \
    K(activate, "x:view y:view kind a:real")                                                                          \
    K(activate_backward, "d:view x:view dx:view kind accumulate a:real")                                              \
    K(prelu_forward, "x:view y:view alpha")                                                                           \
    K(prelu_backward, "d:view x:view dx:view alpha dalpha wanted accumulate")                                         \
    K(softmax_forward, "x:view y:view along_lines")                                                                   \
    K(softmax_backward, "d:view y:view dx:view along_lines accumulate")                                               \
    K(group_norm_forward, "x:view y:view gamma beta mean rstd groups centred eps:real")                               \
    K(group_norm_backward, "d:view x:view dx:view gamma mean rstd dgamma dbeta groups centred wanted accumulate")     \
    K(line_norm_forward, "x:view y:view gamma beta mean rstd groups centred eps:real")                                \
    K(line_norm_backward, "d:view x:view dx:view gamma mean rstd dgamma dbeta groups centred wanted accumulate")      \
    K(local_response_forward, "x:view y:view size alpha:real beta:real k:real")                                       \
    K(local_response_backward, "d:view x:view dx:view size alpha:real beta:real k:real accumulate")                   \
    K(pad, "x:view y:view top left before")                                                                           \
    K(scale_channels, "x:view y:view keep accumulate keep_scale:real")                                                \
    K(pack_channels, "weights packed channels taps rounding k_offsets*")                                              \
    K(round_numbers, "x:view y:view")                                                                                 \
    K(correlate_channels, "x:view y:view mask packed bias stride_h stride_w relu accumulate runs*")                   \
    K(correlate_channels_weights, "x:view d:view dW stride_h stride_w runs*")                                         \
    K(binary_hinge, "scores:view d:view margin:real")                                                                 \
    K(logistic, "scores:view d:view")                                                                                 \
    K(multi_class_hinge, "scores:view d:view margin:real")                                                            \
    K(squared_error, "scores:view d:view")                                                                            \
    K(flatten, "x:view y:view")                                                                                       \
    K(unflatten, "d:view dx:view accumulate")                                                                         \
    K(add, "a:view b:view y:view")                                                                                    \
    K(copy, "x:view y:view accumulate")                                                                               \
    K(softmax_cross_entropy, "scores:view d:view smoothing:real weights*")                                            \
    K(l2_loss, "at size reg:real")                                                                                    \
    K(l2_gradient, "at g size reg:real")                                                                              \
    K(check_gradient, "at size")                                                                                     \
    K(check_products, "x:view d:view")                                                                                \
    K(update, "at size decay")                                                                                        \
    K(multiply_add, "rounds")                                                                                         \
    K(call, "index")

namespace chainrule::CHAINRULE_ISA {
#define K(name, signature) void name(const int64_t* arguments, int64_t count, Context& context);
CHAINRULE_KERNELS(K)
#undef K
}  // namespace chainrule::CHAINRULE_ISA
