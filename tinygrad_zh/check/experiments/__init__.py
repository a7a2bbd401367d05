"""Gradient-checking experiments: each measures one thing, prints it, and draws it. 梯度检验实验"""
